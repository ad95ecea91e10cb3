import { PintailError } from "../../../errors.ts";
import { RequestFailure } from "../request-failure.ts";
import type { GcsSettings } from "../settings.ts";

const SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";

/** Headers that authorize a request to `url`. Tokens are cached and renewed. */
export type Authorize = (url: URL) => Promise<Record<string, string>>;

/**
 * Application default credentials or a service account file, by Google's own library, which is
 * loaded here. Without authentication for emulators.
 */
export async function openAuthorization(settings: GcsSettings): Promise<Authorize> {
  if (settings.insecure) return async () => ({});
  const { GoogleAuth } = await import("google-auth-library");
  const { credentialsFile } = settings;
  const auth = new GoogleAuth({
    scopes: [SCOPE],
    ...(credentialsFile === "" ? {} : { keyFilename: credentialsFile }),
  });
  if (credentialsFile !== "") {
    // A file that cannot be used stops the start.
    await auth.getClient().catch((cause: unknown) => {
      throw new PintailError("invalid", `cannot use the credentials in ${credentialsFile}`, {
        cause,
      });
    });
  }
  return async (url) => {
    try {
      return Object.fromEntries(await auth.getRequestHeaders(url));
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new RequestFailure("expired", `no access token: ${text.slice(0, 300)}`, { cause });
    }
  };
}
