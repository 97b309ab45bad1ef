// The page of the guide's reader: a list of threads, and the one that is open.

import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { session } from "../env.js";
import { MessageThread } from "./MessageThread.jsx";
import { useMessaging } from "./useMessaging.js";

function ThreadList({ threads, me, open, onOpen }) {
  return threads.map((thread) => {
    const other = thread.advertiserId === me?.userId ? thread.promoter : thread.advertiser;
    return (
      <button
        key={thread.id}
        className={thread.id === open ? "thread-entry open" : "thread-entry"}
        data-thread={thread.id}
        onClick={() => onOpen(thread.id)}
      >
        <strong>{thread.subject ?? thread.campaign?.title}</strong>
        <span className="last">{other?.username}</span>
        <span className="last">{thread.messages?.[0]?.content ?? "No messages yet"}</span>
        {thread.id !== open && thread.unreadCount > 0 && <span className="badge">{thread.unreadCount}</span>}
      </button>
    );
  });
}

function Messenger({ token, campaignId, promoterId, advertiserId, subject }) {
  const messaging = useMessaging(token);
  const { me, isConnected, loadThreads } = messaging;
  const [open, setOpen] = useState(session.thread);

  // The list is read anew when the page comes back, and when a thread is opened.
  useEffect(() => {
    if (isConnected) loadThreads();
  }, [isConnected, open]);

  const create = async () => setOpen((await messaging.createThread(campaignId, promoterId, advertiserId, subject)).id);

  return (
    <div className="app">
      <aside className="sidebar">
        <div className="me">
          {me?.role ?? "…"} <small>threads</small>
        </div>
        <ThreadList threads={messaging.threads} me={me} open={open} onOpen={setOpen} />
        {campaignId && <button className="thread-entry create" onClick={create}>+ New thread</button>}
      </aside>
      {open ? <MessageThread threadId={open} messaging={messaging} /> : <p className="start-here" />}
    </div>
  );
}

createRoot(document.getElementById("root")).render(
  // As new React projects are set up: every effect runs, is cleaned up and runs again.
  <StrictMode>
    <Messenger {...session} />
  </StrictMode>,
);
