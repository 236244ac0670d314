/** Largest picture accepted unless told otherwise: 2^26 pixels, twice an 8K frame. Files that claim more are nearly always damaged or hostile. */
export const defaultMaxPixels = 2 ** 26

/** Processor seconds one file may take unless told otherwise. */
export const defaultTimeoutSeconds = 60
