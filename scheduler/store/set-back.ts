/**
 * What is to be looked at later than it ever would be, and by so much more, was set by a clock that has gone back since. The
 * clocks of machines, and the delays of their messages, differ by far less.
 */
export const SET_BACK_MS = 600_000
