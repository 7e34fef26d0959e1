/** A value as an error shows it: ASCII only, and cut after `longest` characters. */
export function quote(value: unknown, longest: number = 80): string {
  if (typeof value !== 'string') return nameOf(value)
  return asciiOnly(JSON.stringify(value.length > longest ? `${value.slice(0, longest)}...` : value))
}

function nameOf(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value).slice(8, -1)
  return String(value)
}

/** What a terminal might obey or turn around is shown by its number. */
function asciiOnly(text: string): string {
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
