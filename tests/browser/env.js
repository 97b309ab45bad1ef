// What a frontend takes from its environment. The page's server writes `window.ENV` into `/env.js`.

export const { WEBSOCKET_URL, API_URL } = window.ENV;

/** What the login, which is not ours to show, has left behind: the token, and the page's own parameters. */
export const session = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
