/** The mark by which the leak check knows what this run of the tests has started. */

/** Set in the environment of the tests, and so of every process that they start. */
export const runVariable = 'NBDJS_TEST_RUN'

/** How the names of this run's scratch folders begin. */
export const scratchPrefix = () => `nbdjs-${process.env[runVariable]}-`
