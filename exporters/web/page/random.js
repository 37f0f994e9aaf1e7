// The random numbers of gandem: NumPy's Philox-4x64 generator, bit by bit, and its distributions.
// Normal numbers agree to a relative 1e-13, since the tables of the ziggurat are computed here.
"use strict";

const Random = (() => {
  const WORD = (1n << 64n) - 1n;
  const [M0, M1] = [0xd2e7470ee14c6c93n, 0xca5a826395121157n]; // multipliers, and steps of the key,
  const [W0, W1] = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn]; // of Salmon et al. 2011
  const SAMPLES = 7n; // the purpose of the stream that samples are drawn from

  // The layers of the ziggurat of the normal distribution (Marsaglia & Tsang 2000, Doornik 2005),
  // with 52 bits of mantissa: accepted without a further look, width, and density.
  const EDGE = 3.6541528853610088, AREA = 0.004928673233974655, MANTISSA = 2 ** 52;
  const accepted = new Float64Array(256), width = new Float64Array(256), density = new Float64Array(256);
  {
    let right = EDGE;
    density[0] = 1;
    density[255] = Math.exp(-0.5 * EDGE * EDGE);
    width[0] = AREA / density[255] / MANTISSA;
    width[255] = EDGE / MANTISSA;
    accepted[0] = Math.floor(EDGE * density[255] / AREA * MANTISSA);
    for (let i = 254; i > 0; i--) {
      const x = Math.sqrt(-2 * Math.log(AREA / right + density[i + 1]));
      accepted[i + 1] = Math.floor(x / right * MANTISSA);
      width[i] = x / MANTISSA;
      density[i] = Math.exp(-0.5 * x * x);
      right = x;
    }
  }

  class Stream {
    // Of one address, as `gandem.core.rng.stream`; the seed is a BigInt.
    constructor(seed, purpose = SAMPLES) {
      this.key = [seed & WORD, seed >> 64n];
      this.counter = [0n, 0n, purpose, 0n];
      this.words = [];
      this.half = null; // the upper 32 bits of a word of which the lower ones are used
    }

    word() {
      if (!this.words.length) {
        this.counter[0] += 1n;
        let [a, b, c, d] = this.counter, [k, l] = this.key;
        for (let round = 0; round < 10; round++) {
          const first = M0 * a, second = M1 * c;
          [a, b, c, d] = [(second >> 64n) ^ b ^ k, second & WORD, (first >> 64n) ^ d ^ l, first & WORD];
          [k, l] = [(k + W0) & WORD, (l + W1) & WORD];
        }
        this.words = [d, c, b, a];
      }
      return this.words.pop();
    }

    halfWord() {
      if (this.half === null) {
        const word = this.word();
        this.half = word >> 32n;
        return word & 0xffffffffn;
      }
      const half = this.half;
      this.half = null;
      return half;
    }

    // In [0, 1).
    random() {
      return Number(this.word() >> 11n) / 2 ** 53;
    }

    uniform() {
      return -1 + 2 * this.random();
    }

    normal() {
      for (;;) {
        const word = this.word();
        const layer = Number(word & 0xffn), isNegative = word & 0x100n;
        const bits = (word >> 9n) & 0xfffffffffffffn;
        const x = Number(bits) * width[layer] * (isNegative ? -1 : 1);
        if (Number(bits) < accepted[layer]) return x;
        if (layer) {
          const height = density[layer] + (density[layer - 1] - density[layer]) * this.random();
          if (height < Math.exp(-0.5 * x * x)) return x;
          continue;
        }
        for (;;) { // the tail
          const far = -Math.log1p(-this.random()) / EDGE, limit = -Math.log1p(-this.random());
          if (2 * limit > far * far) return (bits >> 8n) & 1n ? -(EDGE + far) : EDGE + far;
        }
      }
    }

    // From 0 to before `end`, at most 2 ** 32 (Lemire 2019).
    integer(end) {
      const range = BigInt(end), threshold = ((1n << 32n) - range) % range;
      let product = this.halfWord() * range;
      while ((product & 0xffffffffn) < threshold) product = this.halfWord() * range;
      return Number(product >> 32n);
    }
  }

  // The noise and the classes of `gandem generate --seed SEED --num-samples COUNT`: an array of
  // {noise: Float64Array, label: class or null}.
  function samples(latent, classes, seed, count) {
    const stream = new Stream(seed), codes = latent.codes, categories = latent.categories;
    const draw = () => (latent.distribution === "uniform" ? stream.uniform() : stream.normal());
    const drawn = Array.from({ length: count }, () => Float64Array.from({ length: latent.size }, draw));
    if (categories) drawn.forEach(() => stream.integer(categories)); // taken, but replaced below
    for (const noise of drawn) {
      for (let code = 0; code < codes; code++) noise[categories + code] = stream.uniform();
    }
    return drawn.map((noise, row) => {
      const turn = classes ? Math.floor(row / classes) : row;
      for (let i = 0; i < categories; i++) noise[i] = turn % categories === i ? 1 : 0;
      return { noise, label: classes ? row % classes : null };
    });
  }

  return { Stream, samples };
})();
