import { randomBytes } from "node:crypto";

/** Time and randomness as a component, so that tests control both. */
export interface Clock {
  /** Wall time in milliseconds since 1970. */
  nowUnixMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowUnixMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** 32 unpredictable bits, e.g. as the seed of a hash table that hostile input fills. */
export function randomSeed(): number {
  return randomBytes(4).readUInt32LE(0);
}
