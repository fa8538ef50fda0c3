/** Mail that waits for a person: requests to them that nobody has answered, live. What asks for
 *  nothing never waits: the daemon takes it as read when it comes. */
import { computed, signal } from "@preact/signals";

import type { Mail } from "../mail/row.ts";
import { waitsForPerson } from "../mail/row.ts";
import { afterFirst } from "./first.ts";
import { followRows, type RowsFollow } from "./rows.ts";

const READ_MAX = 1_000;
const pending = signal<RowsFollow<Mail> | null>(null);
afterFirst(() => void (pending.value = followRows<Mail>({
  path: "/mail?status=pending&limit=200", type: "mail_changed", fits: waitsForPerson,
  most: READ_MAX,
})));

/** The one that waits longest stands first. */
export const mailDue = computed<readonly Mail[]>(() =>
  (pending.value?.rows.value.items ?? []).filter(waitsForPerson).reverse());
