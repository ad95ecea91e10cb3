import { PintailError } from "../errors.ts";

/** Where to listen. Host "" means all interfaces; port 0 lets the system choose. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Reads `host:port`, `:port`, `[v6]:port`; with `unix` the whole text is a socket's path.
 * Throws `invalid`.
 */
export function parseEndpoint(text: string, transport: "tcp" | "unix" = "tcp"): Endpoint {
  if (transport === "unix") {
    if (text === "") throw new PintailError("invalid", "endpoint of a unix socket is empty");
    return { path: text };
  }
  const colon = text.lastIndexOf(":");
  const portText = text.slice(colon + 1);
  let host = text.slice(0, Math.max(colon, 0));
  if (host.startsWith("[") && host.endsWith("]")) host = host.slice(1, -1);
  else if (host.includes(":")) {
    throw new PintailError("invalid", `endpoint '${text}' needs brackets around its IPv6 address`);
  }
  const port = Number(portText);
  if (colon < 0 || !/^[0-9]{1,5}$/.test(portText) || port > 65535) {
    throw new PintailError("invalid", `endpoint '${text}' is not host:port`);
  }
  return { host, port };
}

export function endpointText(endpoint: Endpoint): string {
  if ("path" in endpoint) return endpoint.path;
  const { host, port } = endpoint;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
