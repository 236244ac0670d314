/**
 * Tests that take minutes for what other tests cover in seconds: the same kernels under the address sanitizer and in an emulator of
 * another processor. `npm run test:slow` runs them; run it after a change of a kernel.
 */
export const slowMissing = process.env.VIDEOMAE_SLOW_TESTS === '1' ? null : 'slow: npm run test:slow'
