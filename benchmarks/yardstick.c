/* The yardstick: a small HTTP server that streams made-up tokens and logs the true time of each of its writes.

   It speaks just enough of the OpenAI API for Tiltyard and its peers: GET /v1/models, POST /v1/chat/completions and
   /v1/completions (streamed or not), GET /tiltyard/truth (the log as JSON, then forgotten), one event per token, one
   write per token. Times are CLOCK_MONOTONIC nanoseconds taken just before each write; the time a request arrived is
   the kernel's receive stamp, so that this server being busy is not charged to its clients.

   yardstick TTFT_MS GAP_MS      prints "listening PORT"; stops on SIGTERM, or when standard input closes.
   Not for anything but measuring: one thread, no TLS, requests up to 1 MB. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 8192, REQUEST_MAX = 1 << 20, EVENT_MAX = 1024 };

typedef struct {
  char id[80];
  int64_t received, closed;
  int tokens, capacity;
  int64_t *writes; /* one time per token */
} truth_t;

typedef struct {
  int open, active, streaming, chat, want, sent, include_usage, close_after, blocked;
  int64_t due;
  char *in;
  size_t have, room;
  char *out; /* bytes the kernel would not take yet */
  size_t left, offset;
  truth_t *truth;
} conn_t;

static conn_t conns[MAX_FD];
static int highest, poller;
static int64_t ttft, gap;
static truth_t **truths;
static int truth_count, truth_room;

static int64_t now_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now(void) { return now_of(CLOCK_MONOTONIC); }

static void watch(int fd, uint32_t events, int how) {
  struct epoll_event e = {.events = events, .data.fd = fd};
  epoll_ctl(poller, how, fd, &e);
}

static void drop(int fd) {
  conn_t *c = &conns[fd];
  if (!c->open) return;
  if (c->truth && !c->truth->closed) c->truth->closed = now();
  free(c->in);
  free(c->out);
  memset(c, 0, sizeof *c);
  close(fd);
}

/* Sends, and keeps what the kernel does not take; the stream pauses until that is gone. */
static void push(int fd, const char *data, size_t size) {
  conn_t *c = &conns[fd];
  ssize_t n = c->left ? 0 : send(fd, data, size, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) {
    drop(fd);
    return;
  }
  if (n < 0) n = 0;
  if ((size_t)n == size) return;
  c->out = realloc(c->out, c->offset + c->left + size - n);
  memcpy(c->out + c->offset + c->left, data + n, size - n);
  c->left += size - n;
  if (!c->blocked) watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  c->blocked = 1;
}

static void flush(int fd) {
  conn_t *c = &conns[fd];
  while (c->left) {
    ssize_t n = send(fd, c->out + c->offset, c->left, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      drop(fd);
      return;
    }
    c->offset += n;
    c->left -= n;
  }
  c->offset = 0;
  c->blocked = 0;
  if (c->close_after && !c->active && !c->truth) {
    drop(fd);
    return;
  }
  watch(fd, EPOLLIN, EPOLL_CTL_MOD);
}

static void answer(int fd, const char *status, const char *body, size_t size) {
  char head[256];
  int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                   status, size);
  push(fd, head, n);
  if (conns[fd].open) push(fd, body, size);
}

static size_t event(char *into, const char *format, ...) {
  char text[EVENT_MAX];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return sprintf(into, "%x\r\ndata: %s\n\n\r\n", n + 8, text);
}

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static size_t token_event(char *into, const conn_t *c) {
  const char *first = c->sent ? "" : "\"role\":\"assistant\",";
  if (c->chat)
    return event(into,
                 "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"yardstick\","
                 "\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\" tok\"},\"finish_reason\":null}]}",
                 first);
  return event(into, "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"yardstick\","
                     "\"choices\":[{\"index\":0,\"text\":\" tok\",\"finish_reason\":null}]}");
}

static size_t last_events(char *into, const conn_t *c) {
  size_t n = event(into,
                   "{\"id\":\"x-1\",\"object\":\"%s\",\"created\":1,\"model\":\"yardstick\",\"choices\":[{\"index\":0,"
                   "%s,\"finish_reason\":\"length\"}]}",
                   c->chat ? "chat.completion.chunk" : "text_completion", c->chat ? "\"delta\":{}" : "\"text\":\"\"");
  if (c->include_usage)
    n += event(into + n,
               "{\"id\":\"x-1\",\"object\":\"%s\",\"created\":1,\"model\":\"yardstick\",\"choices\":[],\"usage\":"
               "{\"prompt_tokens\":32,\"completion_tokens\":%d,\"total_tokens\":%d}}",
               c->chat ? "chat.completion.chunk" : "text_completion", c->sent, c->sent + 32);
  n += event(into + n, "[DONE]");
  return n + sprintf(into + n, "0\r\n\r\n");
}

static void finish(int fd) {
  conn_t *c = &conns[fd];
  c->truth->closed = now();
  c->truth = NULL;
  c->active = 0;
  if (c->close_after && !c->left) drop(fd);
}

static void stamp(truth_t *t, int64_t at) {
  if (t->tokens == t->capacity) {
    t->capacity = t->capacity ? t->capacity * 2 : 128;
    t->writes = realloc(t->writes, t->capacity * sizeof *t->writes);
  }
  t->writes[t->tokens++] = at;
}

/* One step of a stream that is due: one token, and after the last one the end. */
static void step(int fd) {
  conn_t *c = &conns[fd];
  char buffer[4 * EVENT_MAX];
  size_t n = 0;
  if (!c->streaming) {
    n = snprintf(buffer, sizeof buffer,
                 "{\"id\":\"x-1\",\"object\":\"%s\",\"created\":1,\"model\":\"yardstick\",\"choices\":[{\"index\":0,%s,"
                 "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":32,\"completion_tokens\":%d,"
                 "\"total_tokens\":%d}}",
                 c->chat ? "chat.completion" : "text_completion",
                 c->chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"tok\"}" : "\"text\":\"tok\"", c->want,
                 c->want + 32);
    stamp(c->truth, now());
    answer(fd, "200 OK", buffer, n);
    if (c->open) finish(fd);
    return;
  }
  if (!c->sent) {
    memcpy(buffer, HEAD, sizeof HEAD - 1);
    n = sizeof HEAD - 1;
  }
  if (c->sent && c->chat) { /* the usual case, made once: formatting costs as much as a quarter of the write */
    static char later[EVENT_MAX];
    static size_t size;
    if (!size) size = token_event(later, c);
    c->sent++;
    stamp(c->truth, now());
    push(fd, later, size);
  } else {
    n += token_event(buffer + n, c);
    c->sent++;
    stamp(c->truth, now());
    push(fd, buffer, n);
  }
  if (!c->open) return;
  c->due += gap;
  if (c->sent == c->want) {
    n = last_events(buffer, c);
    push(fd, buffer, n);
    if (c->open) finish(fd);
  }
}

static long number_after(const char *body, const char *key, long otherwise) {
  const char *at = strstr(body, key);
  if (!at) return otherwise;
  at = strchr(at, ':');
  return at ? strtol(at + 1, NULL, 10) : otherwise;
}

static int truth_after(const char *body, const char *key) {
  const char *at = strstr(body, key);
  if (!at || !(at = strchr(at, ':'))) return 0;
  return !strncmp(at + 1 + strspn(at + 1, " "), "true", 4);
}

static void give_truth(int fd) {
  char *text;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  fputc('[', f);
  for (int i = 0, some = 0; i < truth_count; i++) {
    truth_t *t = truths[i];
    if (!t->closed) continue;
    fprintf(f, "%s{\"request_id\":\"%s\",\"received_ns\":%lld,\"closed_ns\":%lld,\"output_tokens\":%d,\"writes\":[",
            some++ ? "," : "", t->id, (long long)t->received, (long long)t->closed, t->tokens);
    for (int j = 0; j < t->tokens; j++) fprintf(f, "%s[%lld,%d,1]", j ? "," : "", (long long)t->writes[j], j);
    fputs("]}", f);
  }
  fputc(']', f);
  fclose(f);
  int kept = 0;
  for (int i = 0; i < truth_count; i++) {
    if (truths[i]->closed) {
      free(truths[i]->writes);
      free(truths[i]);
    } else
      truths[kept++] = truths[i];
  }
  truth_count = kept;
  answer(fd, "200 OK", text, size);
  free(text);
}

static void header(const char *head, const char *name, char *into, size_t room) {
  into[0] = 0;
  const char *at = strcasestr(head, name);
  if (!at) return;
  at += strlen(name);
  at += strspn(at, " ");
  size_t n = strcspn(at, "\r\n\"\\");
  if (n >= room) n = room - 1;
  memcpy(into, at, n);
  into[n] = 0;
}

static void begin(int fd, const char *head, const char *body, int64_t received) {
  conn_t *c = &conns[fd];
  truth_t *t = calloc(1, sizeof *t);
  header(head, "\nx-request-id:", t->id, sizeof t->id);
  t->received = received;
  if (truth_count == truth_room) {
    truth_room = truth_room ? truth_room * 2 : 1024;
    truths = realloc(truths, truth_room * sizeof *truths);
  }
  truths[truth_count++] = t;
  c->truth = t;
  c->chat = strstr(head, "/chat/") != NULL;
  c->want = number_after(body, "\"max_completion_tokens\"", number_after(body, "\"max_tokens\"", 128));
  if (c->want < 1) c->want = 128;
  c->streaming = truth_after(body, "\"stream\"");
  c->include_usage = truth_after(body, "\"include_usage\"");
  c->sent = 0;
  c->active = 1;
  c->due = received + ttft + (c->streaming ? 0 : gap * (c->want - 1));
}

static const char MODELS[] =
    "{\"object\":\"list\",\"data\":[{\"id\":\"yardstick\",\"object\":\"model\",\"created\":1,\"owned_by\":\"yardstick\"}]}";
static const char UNKNOWN[] = "{\"error\":{\"message\":\"no such path\",\"type\":\"invalid_request_error\"}}";

/* Handles one whole request if it is there; returns the bytes it used. */
static size_t request(int fd, int64_t received) {
  conn_t *c = &conns[fd];
  c->in[c->have] = 0;
  char *end = strstr(c->in, "\r\n\r\n");
  if (!end) return 0;
  *end = 0;
  char value[32];
  header(c->in, "\ncontent-length:", value, sizeof value);
  size_t body = atol(value), total = end + 4 - c->in + body;
  if (c->have < total) {
    *end = '\r';
    return 0;
  }
  char kept = c->in[total];
  c->in[total] = 0;
  header(c->in, "\nconnection:", value, sizeof value);
  c->close_after = !strcasecmp(value, "close");
  if (!strncmp(c->in, "POST /v1/c", 10))
    begin(fd, c->in, end + 4, received);
  else if (!strncmp(c->in, "GET /v1/models", 14))
    answer(fd, "200 OK", MODELS, sizeof MODELS - 1);
  else if (!strncmp(c->in, "GET /tiltyard/truth", 19))
    give_truth(fd);
  else
    answer(fd, "404 Not Found", UNKNOWN, sizeof UNKNOWN - 1);
  if (c->open) c->in[total] = kept;
  return total;
}

static int64_t stamp_of(struct msghdr *m) {
  for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
    if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SO_TIMESTAMPNS) {
      struct timespec t;
      memcpy(&t, CMSG_DATA(h), sizeof t);
      return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + now() - now_of(CLOCK_REALTIME);
    }
  return now();
}

static void take(int fd) {
  conn_t *c = &conns[fd];
  if (c->have + 65536 >= c->room) {
    c->room = c->have + 131072;
    if (c->room > REQUEST_MAX + 262144) {
      drop(fd);
      return;
    }
    c->in = realloc(c->in, c->room);
  }
  char control[128];
  struct iovec v = {c->in + c->have, 65536};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(fd, &m, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    drop(fd);
    return;
  }
  c->have += n;
  int64_t received = stamp_of(&m);
  while (c->open && !c->active && c->have) {
    size_t used = request(fd, received);
    if (!used || !c->open) return;
    memmove(c->in, c->in + used, c->have - used);
    c->have -= used;
  }
}

static void welcome(int listener) {
  int fd, yes = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (fd >= MAX_FD) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
    memset(&conns[fd], 0, sizeof conns[fd]);
    conns[fd].open = 1;
    if (fd > highest) highest = fd;
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    take(fd);
  }
}

/* Steps every stream that is due; returns when the next one is, or 0 when none waits for time. */
static int64_t work(void) {
  int64_t next = 0, at = now();
  for (int fd = 0; fd <= highest; fd++) {
    conn_t *c = &conns[fd];
    if (!c->active || c->blocked) continue;
    if (c->due <= at) step(fd);
    if (c->active && !c->blocked && (!next || c->due < next)) next = c->due;
  }
  return next;
}

static int listen_on_loopback(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof a;
  int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes); /* accepted sockets inherit it: first bytes count */
  if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) exit(1);
  getsockname(fd, (struct sockaddr *)&a, &size);
  printf("listening %d\n", ntohs(a.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: yardstick TTFT_MS GAP_MS\n");
    return 2;
  }
  ttft = atof(argv[1]) * 1e6;
  gap = atof(argv[2]) * 1e6;
  poller = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_on_loopback(), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  watch(listener, EPOLLIN, EPOLL_CTL_ADD);
  watch(timer, EPOLLIN, EPOLL_CTL_ADD);
  watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
  struct epoll_event events[512];
  for (;;) {
    int64_t next = work();
    int ready_now = next && next <= now();
    if (next && !ready_now) {
      struct itimerspec when = {.it_value = {next / 1000000000, next % 1000000000}};
      timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    }
    int n = epoll_wait(poller, events, 512, ready_now ? 0 : -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      uint64_t ticks;
      if (fd == listener)
        welcome(listener);
      else if (fd == timer)
        (void)!read(timer, &ticks, sizeof ticks);
      else if (fd == STDIN_FILENO) {
        char c;
        if (read(STDIN_FILENO, &c, 1) <= 0) return 0;
      } else {
        if (events[i].events & EPOLLOUT) flush(fd);
        if (conns[fd].open && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(fd);
      }
    }
  }
}
