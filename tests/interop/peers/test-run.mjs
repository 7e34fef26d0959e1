/** The environment variable that marks all processes of one test run, for the leak check. */
export const runVariable = 'NBDJS_TEST_RUN'

/** The beginning of the names of all scratch folders of this run. */
export const scratchPrefix = () => `nbdjs-${process.env[runVariable]}-`
