// Takes the token from the address, where no server sees it, or from the field.
import { $, say, t } from "./page.js";

async function signIn(token) {
  const response = await fetch("/sign-in", { method: "POST", body: token });
  if (response.ok) location.replace("/");
  else say(t.wrong_token, true);
}
function fromAddress() {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (token) signIn(token);
}
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn($("token").value.trim());
});
addEventListener("hashchange", fromAddress);
fromAddress();
