/** Rows of a batch, `to` not included. */
export type RowRange = { readonly from: number; readonly to: number };
