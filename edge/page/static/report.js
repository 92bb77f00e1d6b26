import { $, key, post, say } from "./page.js";

$("sign")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post(`/s/${key}/sign`, { reader: $("reader").value });
    location.reload();
  } catch (error) {
    say(error.message, true);
  }
});
