/** Small seeded generator (mulberry32): the same seed gives the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Seed of this run: `PINTAIL_TEST_SEED`, else `usual`, else a new one; tests print it. */
export function testSeed(usual?: number): number {
  const given = Number(process.env.PINTAIL_TEST_SEED);
  if (Number.isInteger(given) && given > 0) return given;
  return usual ?? Math.floor(Math.random() * 2 ** 31) + 1;
}
