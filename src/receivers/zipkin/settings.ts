import type { HttpDoorSettings } from "../shared/settings.ts";

/** Bodies over the limit get 400. */
export type ZipkinReceiverSettings = HttpDoorSettings & {
  /** Whether tags that look like numbers or booleans are stored as such. */
  readonly parseStringTags: boolean;
};
