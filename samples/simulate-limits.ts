/** How large a simulated fleet may be: ids of sensors and windows stay within what the stores take. */
export const MAX_SIMULATED = 10_000_000;
export const MAX_WINDOWS = 100_000;
