/** Whether a call of the operating system failed in this very way, such as `ENOENT`. */
export function isErrnoException(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
