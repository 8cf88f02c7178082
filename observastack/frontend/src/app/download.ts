/** Saves an answer as a file, under the name that the server gives. */
export async function saveAnswer(answer: Response, fallback: string): Promise<void> {
  const named = /filename="?([^";]+)"?/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
  const address = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = named ?? fallback;
  link.click();
  URL.revokeObjectURL(address);
}
