// Calls of the platform's functions, which Go cannot make through a pointer.
#define BW_NO_PROTOTYPES
#include "bailiwick.h"
#include <string.h>

// The copy stays in C's memory: ctx may be any number, and Go's collector looks at what Go holds for pointers. A platform of
// version 1 ends before officers_root.
static void bw_copy_platform(bw_platform *to, const bw_platform *from) {
    memset(to, 0, sizeof *to);
    memcpy(to, from, from->version < 2 ? offsetof(bw_platform, officers_root) : sizeof *to);
}

static int bw_call_load(const bw_platform *p, uint8_t *b, size_t cap, size_t *len) { return p->load(p->ctx, b, cap, len); }
static int bw_call_save(const bw_platform *p, const uint8_t *b, size_t len) { return p->save(p->ctx, b, len); }
static int bw_call_sign(const bw_platform *p, const uint8_t *m, size_t n, uint8_t *s, size_t cap, size_t *len) {
    return p->sign(p->ctx, m, n, s, cap, len);
}
static int64_t bw_call_now(const bw_platform *p) { return p->now(p->ctx); }
static int64_t bw_call_uptime(const bw_platform *p) { return p->uptime(p->ctx); }
static int bw_call_boot_id(const bw_platform *p, char *b, size_t cap, size_t *len) { return p->boot_id(p->ctx, b, cap, len); }
static int bw_call_boot_state(const bw_platform *p) { return (int)p->boot_state(p->ctx); }
static int bw_call_random(const bw_platform *p, uint8_t *b, size_t len) { return p->random(p->ctx, b, len); }
static int bw_call_counter_read(const bw_platform *p, uint64_t *value) { return p->counter_read(p->ctx, value); }
static int bw_call_counter_advance(const bw_platform *p, uint64_t to) { return p->counter_advance(p->ctx, to); }
