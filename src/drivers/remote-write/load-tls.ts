import { readFile } from "node:fs/promises";
import type { AgentOptions } from "node:https";
import { PintailError } from "../../errors.ts";
import type { RemoteWriteTls } from "./settings.ts";

/** Reads the certificate files. Throws `invalid` naming the file, so that a start can fail. */
export async function loadRemoteWriteTls(tls: RemoteWriteTls | undefined): Promise<AgentOptions> {
  if (tls === undefined) return {};
  const { caFile, certFile, keyFile, serverName } = tls;
  return {
    rejectUnauthorized: !tls.insecureSkipVerify,
    ...(caFile === "" ? {} : { ca: await read(caFile) }),
    ...(certFile === "" ? {} : { cert: await read(certFile), key: await read(keyFile) }),
    ...(serverName === "" ? {} : { servername: serverName }),
  };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new PintailError("invalid", `cannot read TLS file ${path}`, { cause });
  }
}
