/** A limit as a bar: what is spent, reserved and left of it. Never how far work has come. */
import { amountText, NAMES, type Fill } from "./limits.ts";

export function LimitBar({ fill }: { fill: Fill }) {
  const { amount, limit, spent, reserved, left } = fill;
  const whole = limit || 1;
  const text = (value: number): string => amountText(amount, value);
  const at = Math.min(100, (100 * spent) / whole);
  const held = Math.min(100 - at, (100 * reserved) / whole);
  return (
    <svg class={`limit${left === 0 ? " full" : fill.share > 0.8 ? " near" : ""}`} role="img"
      viewBox="0 0 100 8" preserveAspectRatio="none"
      aria-label={`Limit of ${NAMES[amount].toLowerCase()}: ${text(spent)} spent, ` +
        `${text(reserved)} reserved, ${text(left)} left`}>
      <rect class="spent" width={limit === 0 ? 100 : at} height="8" />
      <rect class="reserved" x={at} width={held} height="8" />
    </svg>
  );
}
