/** `1.2` and Go's `VersionTLS12` as Node's `TLSv1.2`. */
export function tlsVersion(text: string): string | undefined {
  const match = /^(?:VersionTLS1|1\.)([0-3])$/.exec(text);
  return match === null ? undefined : match[1] === "0" ? "TLSv1" : `TLSv1.${match[1]}`;
}
