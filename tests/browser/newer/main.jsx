// The newer frontends' page of a campaign: opens its thread with nothing but the campaign's id, polls for new messages.

import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { session } from "../env.js";
import { campaignThread, http } from "./http.js";
import { NoticeProvider, useNotices } from "./provider.jsx";
import { useThread } from "./useThread.js";

const { campaign, user, poll = 30_000 } = session;

function Conversation({ threadId }) {
  const { isConnected, messages, someoneTypes, trouble, send, type } = useThread(threadId, user);
  const [text, setText] = useState("");
  const submit = () => {
    if (!text.trim()) return;
    send(text);
    setText("");
  };
  return (
    <main className="message-thread">
      <div className="connection-status">
        <span className={isConnected ? "on" : "off"}>
          <span className="dot" />
          {isConnected ? "Connected" : "Disconnected"}
        </span>
        <span>{messages.length} messages</span>
      </div>
      {trouble && <div className="trouble">{trouble}</div>}
      <div className="messages">
        {messages.toReversed().map((message) => (
          <div key={message.id} className={message.senderId === user ? "message own" : "message"}>
            <span className="who">{message.sender?.username ?? "Someone"}</span>
            {message.content}
            {message.senderId === user && <span className="mark">{message.isRead ? "✓✓ read" : "✓ sent"}</span>}
          </div>
        ))}
      </div>
      {someoneTypes && <div className="typing-indicator">Someone is typing…</div>}
      <div className="message-input">
        <input
          value={text}
          placeholder="Type a message…"
          onChange={(event) => {
            setText(event.target.value);
            type();
          }}
          onKeyDown={(event) => event.key === "Enter" && submit()}
        />
        <button onClick={submit}>Send</button>
      </div>
    </main>
  );
}

function Campaign() {
  const { unread, notice, seen } = useNotices();
  const [thread, setThread] = useState(undefined);
  const [threads, setThreads] = useState([]);
  const [open, setOpen] = useState(false);
  const [status, setStatus] = useState(null);

  const look = async () => {
    setThreads(await http("GET", "/threads"));
    setThread(await campaignThread(campaign));
  };
  const ask = async () => setStatus(await http("GET", `/campaigns/${campaign}/has-new-messages`));
  useEffect(() => {
    look();
    ask();
    const timer = setInterval(ask, Number(poll));
    return () => clearInterval(timer);
  }, []);

  const start = async () => {
    try {
      setThread(await http("POST", "/threads", { campaignId: campaign }));
    } catch (error) {
      // The other side was quicker.
      if (!error.message.includes("already exists")) throw error;
    }
    await look();
    setOpen(true);
  };
  const total = Object.values(unread).reduce((sum, count) => sum + count, 0);
  return (
    <div className="app">
      <aside className="sidebar">
        <div className="me">
          Campaign <span className="total badge">{total}</span>
        </div>
        <div className="thread-entry status">
          <span className="last">has-new-messages</span>
          <strong>{status ? `${status.hasNewMessages} / ${status.unreadCount}` : "…"}</strong>
        </div>
        {threads.map((entry) => (
          <button
            key={entry.id}
            className={open && entry.id === thread?.id ? "thread-entry open" : "thread-entry"}
            data-thread={entry.id}
            onClick={() => {
              setOpen(true);
              seen(entry.id);
            }}
          >
            <strong>{entry.campaign?.title}</strong>
            <span className="last">{entry.messages?.[0]?.content ?? "No messages yet"}</span>
            {entry.unreadCount > 0 && !(open && entry.id === thread?.id) && <span className="badge">{entry.unreadCount}</span>}
          </button>
        ))}
      </aside>
      {open && thread ? (
        <Conversation threadId={thread.id} />
      ) : (
        <main className="message-thread">
          {thread === null && <button className="start" onClick={start}>Start the conversation</button>}
          {thread && <button className="start" onClick={() => { setOpen(true); seen(thread.id); }}>Open the conversation</button>}
        </main>
      )}
      {notice && <div className="toast">{notice}</div>}
    </div>
  );
}

createRoot(document.getElementById("root")).render(
  <NoticeProvider>
    <Campaign />
  </NoticeProvider>,
);
