import { DecodeError } from "../../model/decode-error.ts";

/** Of one span, event, link or resource. */
export const MAX_ATTRIBUTES = 65_535;
/** Of one span. */
export const MAX_EVENTS = 65_535;

export function tooManyAttributes(): DecodeError {
  return new DecodeError("limit", `more than ${MAX_ATTRIBUTES} attributes in one place`);
}

export function tooManyEvents(): DecodeError {
  return new DecodeError("limit", `span has more than ${MAX_EVENTS} annotations`);
}
