/* A driver library with two GPUs, for tests: a card that tells everything, and a chip with unified memory
   (no memory figure, no energy counter), as NVML answers on them. Built into libnvidia-ml.so.1. */
#include <string.h>
#include <stdio.h>
#define OK 0
#define NOT_SUPPORTED 3
typedef struct { unsigned gpu, memory; } util_t;
typedef struct { unsigned long long total, free, used; } mem_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } proc_t;
static int ids[2] = {0, 1};
static unsigned long long joules = 1000000;
int nvmlInitWithFlags(unsigned f) { return OK; }
int nvmlInit_v2(void) { return OK; }
int nvmlShutdown(void) { return OK; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { snprintf(s, n, "580.1"); return OK; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = &ids[i]; return OK; }
int nvmlDeviceGetName(void *h, char *s, unsigned n) { snprintf(s, n, *(int *)h ? "NVIDIA GB10" : "NVIDIA L4"); return OK; }
int nvmlDeviceGetUUID(void *h, char *s, unsigned n) { snprintf(s, n, "GPU-%d", *(int *)h); return OK; }
int nvmlDeviceGetMemoryInfo(void *h, mem_t *m) {
  if (*(int *)h) return NOT_SUPPORTED;
  m->total = 24000000000ULL; m->used = 6000000000ULL; m->free = m->total - m->used; return OK;
}
int nvmlDeviceGetUtilizationRates(void *h, util_t *u) { u->gpu = *(int *)h ? 12 : 97; u->memory = 1; return OK; }
int nvmlDeviceGetPowerUsage(void *h, unsigned *p) { *p = 71500; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(void *h, unsigned long long *e) {
  if (*(int *)h) return NOT_SUPPORTED;
  joules += 500; *e = joules; return OK;
}
int nvmlDeviceGetTemperature(void *h, unsigned s, unsigned *t) { *t = 55; return OK; }
int nvmlDeviceGetClockInfo(void *h, unsigned t, unsigned *c) { *c = 2040; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(void *h, unsigned long long *r) { *r = 0x1 | 0x4 | 0x20; return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, proc_t *p) {
  if (p && *n >= 2) {
    p[0].pid = 1; p[0].used = 2000000000ULL; p[1].pid = 999999999; p[1].used = ~0ULL; /* not told */
  }
  if (!p || *n < 2) { *n = 2; return 7; /* insufficient size */ }
  *n = 2; return OK;
}
