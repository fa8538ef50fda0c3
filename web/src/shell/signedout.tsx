/** Nobody is signed in, or the key has ended. */
import { signInProblem, signingIn } from "../api/signin.ts";
import { words } from "../words.ts";

export function SignedOut() {
  const problem = signInProblem.value;
  if (signingIn.value) return <p class="page" role="status">{words.signingIn}</p>;
  return (
    <div class="page prose">
      <h1>{words.signedOut}</h1>
      {problem === null ? null : (
        <p role="alert" class="tone-fail">
          {words.problem(problem)} <code>{problem.code}</code>
        </p>
      )}
      <p>{words.signInHow}</p>
      <pre>{words.signInCommand}</pre>
    </div>
  );
}
