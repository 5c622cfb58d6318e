/** A host and a port → how both are written together. Pure. */

/** IPv6 in brackets (RFC 3986 §3.2.2); a socket of the file system as it is. */
export function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  if (host.startsWith('unix:')) return host
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
