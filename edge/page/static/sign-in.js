// Takes the token from the address, where no server sees it, or from the field.
import { $, say, t } from "./page.js";

async function signIn(token) {
  const response = await fetch("/sign-in", { method: "POST", body: token });
  if (response.ok) location.replace("/");
  else say(t.wrong_token, true);
}
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn($("token").value.trim());
});
if (location.hash.length > 1) {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  signIn(token);
}
