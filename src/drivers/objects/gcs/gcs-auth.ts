import { readFile } from "node:fs/promises";
import { PintailError } from "../../../errors.ts";
import { RequestFailure } from "../request-failure.ts";
import type { GcsSettings } from "../settings.ts";

const SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"];

/** Headers that authorize a request to `url`. Tokens are cached and renewed. */
export type Authorize = (url: URL) => Promise<Record<string, string>>;

type Client = { getRequestHeaders(url: string): Promise<Headers> };

/**
 * Application default credentials or a service account file, by Google's own library, which is
 * loaded here. Without authentication for emulators. Throws `invalid` for a file that cannot be used.
 */
export async function openAuthorization(settings: GcsSettings): Promise<Authorize> {
  if (settings.insecure) return async () => ({});
  const { GoogleAuth, JWT } = await import("google-auth-library");
  const client: Client =
    settings.credentialsFile === ""
      ? new GoogleAuth({ scopes: SCOPES })
      : serviceAccount(JWT, await readAccount(settings.credentialsFile));
  return async (url) => {
    try {
      return Object.fromEntries(await client.getRequestHeaders(url.href));
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new RequestFailure("expired", `no access token: ${text.slice(0, 300)}`, { cause });
    }
  };
}

type ServiceAccount = { readonly email: string; readonly key: string; readonly keyId: string };

function serviceAccount(
  JWT: typeof import("google-auth-library").JWT,
  account: ServiceAccount,
): Client {
  const client = new JWT({ ...account, scopes: SCOPES });
  // Signed here, so that no token server needs to be reached; Google's storage takes that.
  client.useJWTAccessWithScope = true;
  return client;
}

async function readAccount(path: string): Promise<ServiceAccount> {
  let account: Record<string, unknown>;
  try {
    account = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    throw new PintailError("invalid", `cannot read the credentials in ${path}`, { cause });
  }
  const { type, client_email: email, private_key: key, private_key_id: keyId } = account ?? {};
  if (type !== "service_account" || typeof email !== "string" || typeof key !== "string") {
    throw new PintailError("invalid", `the credentials in ${path} are not of a service account`);
  }
  return { email, key, keyId: typeof keyId === "string" ? keyId : "" };
}
