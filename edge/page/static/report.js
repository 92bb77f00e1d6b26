import { $, key, post, say } from "./page.js";

const button = document.querySelector("#sign button"); // disabled until now, so that no click goes unheard
if (button) button.disabled = false;
$("sign")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post(`/s/${key}/sign`, { reader: $("reader").value });
    location.reload();
  } catch (error) {
    say(error.message, true);
  }
});
