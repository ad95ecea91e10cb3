import { lstat, unlink } from "node:fs/promises";
import { type AddressInfo, connect, type Server } from "node:net";
import { PintailError } from "../errors.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";

/** Connections that the kernel keeps waiting for us; Linux cuts it to `somaxconn`. */
const BACKLOG = 1024;

/**
 * Binds `endpoint`, with one server for each address that its host stands for: `localhost` is both
 * 127.0.0.1 and, where the machine has it, ::1. Throws `unavailable` naming `name` and the address.
 */
export async function bind(
  name: string,
  endpoint: Endpoint,
  newServer: () => Server,
): Promise<Server[]> {
  const servers: Server[] = [];
  try {
    if ("path" in endpoint) {
      await removeStaleSocket(endpoint.path);
      servers.push(await listenOn(newServer(), { path: endpoint.path }));
      return servers;
    }
    const { host, port } = endpoint;
    if (host !== "localhost") {
      servers.push(await listenOn(newServer(), host === "" ? { port } : { host, port }));
      return servers;
    }
    const first = await listenOn(newServer(), { host: "127.0.0.1", port });
    servers.push(first);
    const bound = (first.address() as AddressInfo).port;
    try {
      servers.push(await listenOn(newServer(), { host: "::1", port: bound }));
    } catch (error) {
      // No IPv6 here, or (with a port that the system chose) somebody has that port on ::1.
      if (codeOf(error) === "EADDRINUSE" && port !== 0) throw error;
    }
    return servers;
  } catch (cause) {
    for (const server of servers) server.close();
    throw new PintailError(
      "unavailable",
      `${name} cannot listen on ${endpointText(endpoint)}: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

function listenOn(
  server: Server,
  where: { host?: string; port?: number; path?: string },
): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

/** A killed process leaves its socket file behind; one that still answers is in use. */
async function removeStaleSocket(path: string): Promise<void> {
  const info = await lstat(path).catch(() => undefined);
  if (info === undefined || !info.isSocket()) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (!answers) await unlink(path);
}

/** The system's name of an error, such as EADDRINUSE. */
export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

/** Why an address could not be had, in few words. */
export function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return "address already in use";
    case "EACCES":
      return "permission denied";
    case "EADDRNOTAVAIL":
      return "address not available on this machine";
    case "ENOTFOUND":
      return "host not found";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
