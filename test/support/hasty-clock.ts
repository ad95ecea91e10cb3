/**
 * Preloaded (`node --import`) to run a program whose wall clock goes `RATE` times as fast, from
 * `PINTAIL_TEST_CLOCK_BASE_MS` (milliseconds since 1970) on, and whose periodic work comes round
 * several times a second, so that tests of what follows by and by need not wait.
 */
const RATE = 30;
const HOUR_MS = 3_600_000;

const baseMs = Number(process.env.PINTAIL_TEST_CLOCK_BASE_MS);
const realNow = Date.now.bind(Date);
Date.now = () => Math.floor(baseMs + (realNow() - baseMs) * RATE);

const realSetInterval = globalThis.setInterval;
globalThis.setInterval = ((run: () => void, delayMs = 0) =>
  realSetInterval(run, delayMs < 1000 ? delayMs : 250)) as typeof setInterval;

const realSetTimeout = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (run: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]) =>
    realSetTimeout(run, delayMs < HOUR_MS ? delayMs : 1000, ...values),
  { __promisify__: realSetTimeout.__promisify__ },
) as typeof setTimeout;
