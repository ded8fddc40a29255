/**
 * What is to be looked at later than it ever would be, and by so much more, was set by a clock that has gone back since. The
 * clocks of machines, and the delays of their messages, differ by far less.
 */
export const SET_BACK_MS = 600_000

/**
 * SQL: the later of an instant that is kept and one that comes, since a message that was held up on its way may come behind a later one;
 * what comes where the kept one was set by a clock that has gone back since (`SET_BACK_MS`), or it would stand until then.
 * @param kept, coming expressions of the type timestamptz
 */
export function laterOf(kept: string, coming: string): string {
  return `case when ${kept} > ${coming} + ${SET_BACK_MS} * interval '1 ms' then ${coming} else greatest(${kept}, ${coming}) end`
}
