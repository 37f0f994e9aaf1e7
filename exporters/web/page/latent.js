// Latent vectors: paths between them, and images around one.
"use strict";

const Latent = (() => {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const norm = (a) => Math.sqrt(dot(a, a));
  const blend = (a, b, share) => a.map((x, i) => (1 - share) * x + share * b[i]);

  // A point on the great circle between vectors, or on a line if there is no unique circle.
  function slerp(a, b, share) {
    const lengths = norm(a) * norm(b);
    const angle = lengths ? Math.acos(Math.max(-1, Math.min(1, dot(a, b) / lengths))) : 0;
    if (Math.sin(angle) < 1e-6) return blend(a, b, share);
    const [first, second] = [Math.sin((1 - share) * angle), Math.sin(share * angle)];
    return a.map((x, i) => (first * x + second * b[i]) / Math.sin(angle));
  }

  // As `gandem interpolate` moves: on a circle for normal noise.
  function between(latent, a, b, share) {
    return (latent.distribution === "normal" ? slerp : blend)(a, b, share);
  }

  // The values that a latent number has: [lowest, highest].
  function limits(latent, index) {
    const isCode = index >= latent.categories && index < latent.categories + latent.codes;
    return isCode || latent.distribution === "uniform" ? [-1, 1] : [-3, 3];
  }

  // Two random directions of a latent vector's space, which leave a category as it is.
  function directions(latent, seed) {
    const stream = new Random.Stream(BigInt(seed), 0n);
    const draw = (_, index) => (index < latent.categories ? 0 : stream.normal());
    return [0, 1].map(() => Float64Array.from({ length: latent.size }, draw));
  }

  // The latent vector at a place (x, y) of a plane through `center`, x and y from -1 to 1. Normal
  // noise keeps its length, since that of many dimensions lies near a sphere.
  function around(latent, center, [right, up], x, y) {
    const moved = center.map((value, i) => value + 1.5 * (x * right[i] + y * up[i]));
    if (latent.distribution === "normal" && latent.size > 8 && !latent.codes && !latent.categories) {
      const factor = norm(center) / (norm(moved) || 1);
      return moved.map((value) => value * factor);
    }
    return moved.map((value, i) => {
      const [low, high] = limits(latent, i);
      return i < latent.categories ? value : Math.max(low, Math.min(high, value));
    });
  }

  return { between, blend, limits, directions, around };
})();
