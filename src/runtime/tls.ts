import { readFile } from "node:fs/promises";
import type { SecureVersion, TLSSocket } from "node:tls";
import { PintailError } from "../errors.ts";

/** Files and Go's names, as settings give them. */
export type TlsFiles = {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | undefined;
  readonly clientAuthType: string | undefined;
  readonly minVersion: string | undefined;
  readonly maxVersion: string | undefined;
};

/** `any`: one must be shown, whoever signed it; `if-given`: none, or one that verifies. */
export type ClientCertPolicy = "none" | "request" | "any" | "if-given" | "verified";

/** What `listen` needs; the file contents are PEM. */
export type TlsOptions = {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  readonly ca: Uint8Array | undefined;
  readonly clientCert: ClientCertPolicy;
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
};

const CLIENT_AUTH: Readonly<Record<string, ClientCertPolicy>> = {
  "": "none",
  NoClientCert: "none",
  RequestClientCert: "request",
  RequireAnyClientCert: "any",
  VerifyClientCertIfGiven: "if-given",
  RequireAndVerifyClientCert: "verified",
};

const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  "1.0": "TLSv1",
  "1.1": "TLSv1.1",
  "1.2": "TLSv1.2",
  "1.3": "TLSv1.3",
  TLSv1: "TLSv1",
  "TLSv1.1": "TLSv1.1",
  "TLSv1.2": "TLSv1.2",
  "TLSv1.3": "TLSv1.3",
  VersionTLS10: "TLSv1",
  VersionTLS11: "TLSv1.1",
  VersionTLS12: "TLSv1.2",
  VersionTLS13: "TLSv1.3",
};

/**
 * Reads the certificate files. Throws `invalid` naming the file or the setting, so that a wrong
 * TLS block stops the start instead of leaving a port open in plain text.
 */
export async function loadTls(files: TlsFiles): Promise<TlsOptions> {
  const auth = files.clientAuthType ?? (files.clientCaFile ? "RequireAndVerifyClientCert" : "");
  const ca = files.clientCaFile ? await read(files.clientCaFile) : undefined;
  const clientCert = CLIENT_AUTH[auth];
  if (clientCert === undefined) {
    throw new PintailError("invalid", `unknown client_auth_type '${auth}'`);
  }
  if ((clientCert === "if-given" || clientCert === "verified") && ca === undefined) {
    throw new PintailError("invalid", `client_auth_type ${auth} needs a client_ca_file`);
  }
  return {
    cert: await read(files.certFile),
    key: await read(files.keyFile),
    ca,
    clientCert,
    minVersion: secureVersion(files.minVersion, "TLSv1.2"),
    maxVersion: secureVersion(files.maxVersion, "TLSv1.3"),
  };
}

/** Whether the policy lets in this peer once its handshake is over. */
export function clientCertAccepted(policy: ClientCertPolicy, socket: TLSSocket): boolean {
  if (policy !== "any" && policy !== "if-given") return true;
  const shown = Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
  return policy === "any" ? shown : !shown || socket.authorized;
}

/** Node's name of a version that Go or a number names. Throws `invalid`. */
export function secureVersion(name: string | undefined, otherwise: SecureVersion): SecureVersion {
  if (name === undefined || name === "") return otherwise;
  const known = VERSIONS[name];
  if (known === undefined) throw new PintailError("invalid", `unknown TLS version '${name}'`);
  return known;
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new PintailError("invalid", `cannot read TLS file ${path}`, { cause });
  }
}
