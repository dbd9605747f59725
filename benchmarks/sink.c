/* The bare client: reads streams from the yardstick and throws them away. One thread, epoll, no timestamps, no
   parsing beyond the last five bytes: what one core of this machine can receive at most from that server.

   sink PORT STREAMS REQUESTS TOKENS     prints one line of JSON. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int streams = atoi(argv[2]), requests = atoi(argv[3]), tokens = atoi(argv[4]);
  char body[128], request[512];
  static char buffer[1 << 18];
  int length = sprintf(body, "{\"model\":\"yardstick\",\"messages\":[],\"max_tokens\":%d,\"stream\":true}", tokens);
  int size = sprintf(request, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, body);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int poller = epoll_create1(0), asked = 0, done = 0, yes = 1;
  double began = now();
  for (; asked < streams && asked < requests; asked++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    if (send(fd, request, size, 0) != size) return 1;
  }
  struct epoll_event ready[512];
  while (done < requests) {
    int n = epoll_wait(poller, ready, 512, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return 1;
      if (got < 5 || memcmp(buffer + got - 5, "0\r\n\r\n", 5)) continue;
      done++;
      if (asked < requests && asked++ >= 0 && send(fd, request, size, 0) != size) return 1;
    }
  }
  double took = now() - began, all = (double)requests * tokens;
  printf("{\"tokens_per_s\": %.0f, \"requests_per_s\": %.1f, \"cpu_us_per_token\": %.3f}\n", all / took, requests / took,
         cpu() / all * 1e6);
  return 0;
}
