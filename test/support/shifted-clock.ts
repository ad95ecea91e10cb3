/**
 * Preloaded (`node --import`) to run a program with its wall clock ahead by
 * `PINTAIL_TEST_CLOCK_SHIFT_MS`, so that tests of retention need not wait.
 */
const shiftMs = Number(process.env.PINTAIL_TEST_CLOCK_SHIFT_MS ?? 0);
const realNow = Date.now.bind(Date);
Date.now = () => realNow() + shiftMs;
