import { createHash } from "node:crypto";
import type { RemoteWriteSettings } from "./settings.ts";

const NAME_CHARS = 6;

/** How metrics and logs call an endpoint; nothing of it is a secret. */
export type EndpointLabels = { readonly remoteName: string; readonly url: string };

export function endpointLabels(settings: RemoteWriteSettings): EndpointLabels {
  const { name } = settings;
  return { remoteName: name === "" ? hashOf(settings) : name, url: withoutSecrets(settings.url) };
}

/** User, password and query may be credentials. */
function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return "";
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** Endpoints at one address may differ by a header alone. */
function hashOf({ auth, ...rest }: RemoteWriteSettings): string {
  const text = JSON.stringify({ ...rest, auth: auth?.type });
  return createHash("sha256").update(text).digest("hex").slice(0, NAME_CHARS);
}
