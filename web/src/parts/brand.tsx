/** A mark of two strokes, drawn from an id: the same in every view. It only repeats the name. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  hash ^= hash >>> 16;
  return Math.imul(hash, 0x85ebca6b) >>> 0;
}

function point(radius: number, degrees: number): string {
  const angle = (degrees * Math.PI) / 180;
  const place = [8 + radius * Math.cos(angle), 8 + radius * Math.sin(angle)];
  return place.map((one) => one.toFixed(2)).join(" ");
}

export function Brand({ id }: { id: string }) {
  const hash = hashOf(id);
  const from = ((hash >>> 4) & 7) * 45, length = 90 + ((hash >>> 7) & 3) * 45;
  const hand = ((hash >>> 9) & 7) * 45 + 22;
  const arc = `M${point(6, from)}A6 6 0 ${length > 180 ? 1 : 0} 1 ${point(6, from + length)}`;
  return (
    <svg class={`brand hue-${hash % 12}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={`${arc}M8 8L${point(2.6, hand)}`} />
    </svg>
  );
}
