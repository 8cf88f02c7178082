/** Hands content to the browser as a file. */
const READ_WITHIN_MS = 60_000;

/** Under the name that the server gives. */
export async function saveAnswer(answer: Response, fallback: string): Promise<void> {
  const named = /filename="?([^";]+)"?/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
  saveBlob(await answer.blob(), named ?? fallback);
}

export function saveCsv(text: string, name: string): void {
  saveBlob(new Blob([text], { type: "text/csv" }), name);
}

export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads it after the click has returned.
  setTimeout(() => URL.revokeObjectURL(address), READ_WITHIN_MS);
}
