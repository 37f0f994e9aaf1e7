// The layers of gandem's generators in inference mode, as functions of TensorFlow.js tensors.
// An image is (N, H, W, C). A node is a layer of the plan: its fields, shape, arrays and branches.
"use strict";

const LAYERS = (() => {
  const same = (x) => x;
  const batch = (x) => x.shape[0];
  // (N, C) with the axes of an image; what has them already is returned as it is
  const expand = (vector, x) =>
    tf.reshape(vector, [batch(vector), ...Array(x.rank - vector.rank).fill(1), ...vector.shape.slice(1)]);
  const flat = (x) => tf.reshape(x, [batch(x), -1, x.shape[3]]); // (N, H·W, C)
  const pads = (node) => [[0, 0], ...node.pads, [0, 0]];

  function normalize(x, axes, epsilon) {
    const { mean, variance } = tf.moments(x, axes, true);
    return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon)));
  }

  function affine(x, node, net) {
    return node.arrays.scale ? tf.add(tf.mul(x, net.array(node, "scale")), net.array(node, "offset")) : x;
  }

  function biased(x, node, net) {
    return node.arrays.bias ? tf.add(x, net.array(node, "bias")) : x;
  }

  function convolve(x, node, net) {
    const kernel = net.array(node, "kernel");
    if (node.groups === 1) return tf.conv2d(x, kernel, node.stride, pads(node), "NHWC", node.dilation);
    const images = tf.split(x, node.groups, 3), kernels = tf.split(kernel, node.groups, 3);
    const one = (image, i) => tf.conv2d(image, kernels[i], node.stride, pads(node), "NHWC", node.dilation);
    return tf.concat(images.map(one), 3);
  }

  function convolveTransposed(x, node, net) {
    const full = [0, 1].map((axis) => (x.shape[axis + 1] - 1) * node.stride[axis] + node.kernel[axis]);
    const shape = [batch(x), ...full, node.filters];
    return crop(tf.conv2dTranspose(x, net.array(node, "kernel"), shape, node.stride, "valid"), node.crops);
  }

  // Remove pixels at the edges; negative numbers add zeros.
  function crop(x, crops) {
    const cut = crops.map((ends) => ends.map((end) => Math.max(end, 0)));
    const added = crops.map((ends) => ends.map((end) => Math.max(-end, 0)));
    const size = cut.map((ends, axis) => x.shape[axis + 1] - ends[0] - ends[1]);
    const inner = tf.slice(x, [0, cut[0][0], cut[1][0], 0], [-1, ...size, -1]);
    return added.flat().some(Boolean) ? tf.pad(inner, [[0, 0], ...added, [0, 0]]) : inner;
  }

  // Of a modulated convolution: `axes` are those of the kernel's positions and inputs.
  function modulated(x, node, net, apply, isTransposed) {
    const style = net.read(node, "layers"); // (N, in)
    let result = apply(tf.mul(x, expand(style, x)), node, net);
    if (node.demodulate) {
      const energies = tf.sum(tf.square(net.array(node, "kernel")), [0, 1]); // (in, out) or (out, in)
      const norms = tf.matMul(tf.square(style), energies, false, isTransposed);
      result = tf.mul(result, expand(tf.rsqrt(tf.add(norms, node.epsilon)), result));
    }
    return biased(result, node, net);
  }

  // The matrix (pixels left, n) of `resample2d` along an axis of n pixels.
  function filterMatrix(node, n, axis) {
    const up = node.up[axis], down = node.down[axis], taps = [...node.filter].reverse();
    const isExplicit = typeof node.padding !== "string";
    const before = isExplicit ? node.padding[axis][0] : Math.floor((taps.length + up - down) / 2);
    const factor = up / taps.reduce((sum, tap) => sum + tap, 0);
    const matrix = new Float32Array(node.shape[axis] * n);
    for (let row = 0; row < node.shape[axis]; row++) {
      taps.forEach((tap, index) => {
        const place = row * down + index - before;
        let pixel = Math.floor(place / up);
        if (place - pixel * up) return;
        if (node.padding === "reflect") pixel = n - 1 - Math.abs(n - 1 - Math.abs(pixel));
        if (pixel >= 0 && pixel < n) matrix[row * n + pixel] += tap * factor;
      });
    }
    return tf.tensor2d(matrix, [node.shape[axis], n]);
  }

  function resample(x, node) {
    const [n, h, w, c] = x.shape, [height, width] = node.shape;
    const rows = tf.matMul(filterMatrix(node, h, 0), tf.reshape(x, [n, h, w * c]));
    const columns = tf.matMul(filterMatrix(node, w, 1), tf.reshape(rows, [n * height, w, c]));
    return tf.mul(tf.reshape(columns, [n, height, width, c]), node.gain);
  }

  function attend(x, node, net) {
    const [query, key, value] = ["query", "key", "value"].map((name) => flat(net.run(node.branches[name], x)));
    const read = tf.matMul(tf.softmax(tf.matMul(query, key, false, true)), value); // (N, H·W, C)
    const image = tf.reshape(read, [...x.shape.slice(0, 3), -1]);
    return tf.add(x, tf.mul(net.run(node.branches.output, image), net.array(node, "gamma")));
  }

  function depthToSpace(x, node) {
    const [n, h, w, c] = x.shape, f = node.factor;
    const parts = tf.transpose(tf.reshape(x, [n, h, w, c / f / f, f, f]), [0, 1, 4, 2, 5, 3]);
    return tf.reshape(parts, [n, ...node.shape]);
  }

  function spaceToDepth(x, node) {
    const [n, h, w, c] = x.shape, f = node.factor;
    const parts = tf.transpose(tf.reshape(x, [n, h / f, f, w / f, f, c]), [0, 1, 3, 5, 2, 4]);
    return tf.reshape(parts, [n, ...node.shape]);
  }

  function groupNorm(x, node, net) {
    const pixels = x.shape.slice(1, -1);
    const groups = tf.reshape(x, [batch(x), ...pixels, node.groups, -1]);
    const axes = [...pixels.map((_, axis) => axis + 1), groups.rank - 1];
    return affine(tf.reshape(normalize(groups, axes, node.epsilon), x.shape), node, net);
  }

  function batchNorm(x, node, net) {
    const [mean, variance, offset, scale] = ["mean", "variance", "offset", "scale"].map((name) =>
      node.arrays[name] ? net.array(node, name) : undefined);
    return tf.batchNorm(x, mean, variance, offset, scale, node.epsilon);
  }

  function concatenate(x, node, net) {
    const other = net.read(node, "layers");
    if (!node.planes) return tf.concat([x, other], -1);
    return tf.concat([x, tf.tile(expand(other, x), [1, x.shape[1], x.shape[2], 1])], -1);
  }

  function gelu(x, node) {
    const inner = node.approximation === "tanh"
      ? tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3)))))
      : tf.erf(tf.div(x, Math.SQRT2));
    return tf.mul(tf.mul(0.5, x), tf.add(1, inner));
  }

  const size = (x, node) => node.shape.slice(0, 2);
  return {
    add: (x, node, net) => tf.add(x, net.read(node, "layers")),
    average_pool2d: (x, node) => tf.avgPool(x, node.size, node.stride, node.padding),
    batch_norm: batchNorm,
    bias: biased,
    blend: (x, node, net) =>
      tf.add(tf.mul(node.weight, x), tf.mul(1 - node.weight, net.read(node, "layers"))),
    concatenate,
    constant: (x, node, net) => tf.tile(tf.expandDims(net.array(node, "value"), 0), [batch(x), 1, 1, 1]),
    conv2d: (x, node, net) => biased(convolve(x, node, net), node, net),
    conv2d_transpose: (x, node, net) => biased(convolveTransposed(x, node, net), node, net),
    dense: (x, node, net) => biased(tf.matMul(x, net.array(node, "kernel")), node, net),
    depth_to_space: depthToSpace,
    dot: (x, node, net) => tf.sum(tf.mul(x, net.read(node, "layers")), -1, true),
    dropout: same,
    elu: (x, node) => tf.where(tf.greater(x, 0), x, tf.mul(node.alpha, tf.expm1(x))),
    embedding: (x, node, net) => tf.matMul(x, net.array(node, "table")),
    flatten: (x, node) => tf.reshape(x, [batch(x), ...node.shape]),
    gelu,
    global_average_pool2d: (x) => tf.mean(x, [1, 2]),
    global_max_pool2d: (x) => tf.max(x, [1, 2]),
    global_sum_pool2d: (x) => tf.sum(x, [1, 2]),
    group_norm: groupNorm,
    head: (x, node, net) => net.run(node.branches.layers, x),
    instance_norm: (x, node, net) => affine(normalize(x, [1, 2], node.epsilon), node, net),
    layer_norm: (x, node, net) => {
      const axes = node.over === "all" ? x.shape.slice(1).map((_, axis) => axis + 1) : -1;
      return affine(normalize(x, axes, node.epsilon), node, net);
    },
    leaky_relu: (x, node) => tf.mul(node.gain, tf.leakyRelu(x, node.slope)),
    max_pool2d: (x, node) => tf.maxPool(x, node.size, node.stride, node.padding),
    modulate: (x, node, net) => {
      const [scale, offset] = ["scale", "offset"].map((name) => expand(net.read(node, name), x));
      return tf.add(tf.mul(x, tf.add(1, scale)), offset);
    },
    modulated_conv2d: (x, node, net) => modulated(x, node, net, convolve, false),
    modulated_conv2d_transpose: (x, node, net) => modulated(x, node, net, convolveTransposed, true),
    multiply: (x, node, net) => tf.mul(x, expand(net.read(node, "layers"), x)),
    pixel_noise: same, // inference adds none
    pixel_norm: (x, node) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), node.epsilon))),
    position_embedding: (x, node, net) => tf.add(x, net.array(node, "position")),
    prelu: (x, node, net) => tf.prelu(x, net.array(node, "slope")),
    read: (x, node, net) => net.values[node.reads],
    relu: (x) => tf.relu(x),
    resample2d: resample,
    reshape: (x, node) => tf.reshape(x, [batch(x), ...node.shape]),
    residual: (x, node, net) =>
      tf.add(net.run(node.branches.layers, x), net.run(node.branches.shortcut, x)),
    self_attention: attend,
    selu: (x) => tf.selu(x),
    sigmoid: (x) => tf.sigmoid(x),
    silu: (x) => tf.mul(x, tf.sigmoid(x)),
    slice: (x, node) =>
      tf.slice(x, [...Array(x.rank - 1).fill(0), node.start], [...x.shape.slice(0, -1), node.stop - node.start]),
    softplus: (x) => tf.softplus(x),
    space_to_depth: spaceToDepth,
    styles: (x, node, net) => tf.tile(net.run(node.branches.layers, x), [1, node.count]),
    tanh: (x) => tf.tanh(x),
    upsample2d: (x, node) =>
      node.method === "nearest"
        ? tf.image.resizeNearestNeighbor(x, size(x, node))
        : tf.image.resizeBilinear(x, size(x, node), false, true),
  };
})();

class Network {
  // Of a description that the exporter wrote; its weights are a safetensors file in Base64.
  constructor(description) {
    this.nodes = description.nodes;
    this.input = description.input;
    this.output = description.image;
    this.arrays = Network.parse(description.weights);
    this.scaled = new Map(); // arrays times their factors, by name
    this.values = {};
  }

  static parse(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    const read = ([name, { shape, data_offsets: [start, end] }]) => {
      const values = new Float32Array(bytes.buffer.slice(8 + length + start, 8 + length + end));
      return [name, tf.tensor(values, shape)];
    };
    return Object.fromEntries(Object.entries(header).filter(([name]) => name !== "__metadata__").map(read));
  }

  array(node, short) {
    const { name, factor } = node.arrays[short];
    if (factor === 1) return this.arrays[name];
    if (!this.scaled.has(name)) this.scaled.set(name, tf.keep(tf.mul(this.arrays[name], factor)));
    return this.scaled.get(name);
  }

  run(nodes, x) {
    for (const node of nodes) {
      x = LAYERS[node.kind](x, node, this);
      this.values[node.name] = x;
    }
    return x;
  }

  read(node, branch) {
    return this.run(node.branches[branch], this.values[node.reads]);
  }

  // Return the output of the last layer for inputs by name, each an array of rows.
  forward(inputs) {
    return tf.tidy(() => {
      this.values = Object.fromEntries(
        Object.entries(inputs).map(([name, rows]) => [name, tf.tensor2d(rows.map((row) => Array.from(row)))]));
      return this.run(this.nodes, this.values[this.input]).dataSync();
    });
  }

  // Return the bytes (H, W, C) of one image.
  generate(inputs) {
    const { low, high } = this.output;
    const rows = Object.fromEntries(Object.entries(inputs).map(([name, row]) => [name, [row]]));
    // an array that rounds half to even, and clips
    return Uint8ClampedArray.from(this.forward(rows), (value) => (value - low) * (255 / (high - low)));
  }
}
