/** `fe80::1%eth0` in its parts. Characters of a zone: RFC 6874 without percent-encoding. */
const withZone = /^([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9._~-]+)?$/

const octet = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const ipv4AtEnd = new RegExp(`(?<=:)${octet}(?:\\.${octet}){3}$`)

/** Whether a text is an IPv6 address, without brackets, perhaps with a zone. RFC 3986, "3.2.2. Host". */
export function isIpv6(text: string): boolean {
  const address = withZone.exec(text)?.[1]?.replace(ipv4AtEnd, '0:0')
  if (address === undefined) return false
  const halves = address.split('::').map(groupsOf)
  const groups = halves.flat()
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false
  return halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length <= 7
}

function groupsOf(half: string): readonly string[] {
  return half === '' ? [] : half.split(':')
}
