// All that Embedded Swift asks of its surroundings: memory, randomness, and a place to stop.
// The page supplies one function, `random_bytes`.

#include <stddef.h>
#include <stdint.h>

// Memory: blocks in power-of-two classes, each class with a list of free blocks; new ones come from the end of the
// linear memory, which grows. A block's class stands in the eight bytes before it.

extern unsigned char __heap_base;

#define MINIMUM_SHIFT 5
#define CLASSES 27
#define PAGE 65536u

struct block {
    uint32_t class;
    struct block *next;
};

static struct block *free_blocks[CLASSES];
static uintptr_t heap_end;

static uintptr_t take(uintptr_t size, uintptr_t alignment) {
    if (heap_end == 0) heap_end = (uintptr_t)&__heap_base;
    uintptr_t start = (heap_end + alignment - 1) & ~(alignment - 1);
    uintptr_t end = start + size;
    if (end < start) return 0;
    uintptr_t pages = __builtin_wasm_memory_size(0);
    if (end > pages * PAGE) {
        uintptr_t more = (end - pages * PAGE + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, more) == (uintptr_t)-1) return 0;
    }
    heap_end = end;
    return start;
}

// Every block is aligned to 16 bytes; Swift asks for no more.
int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment > 16 || size > (1u << 30)) return 12;
    uint32_t class = 0;
    while (((size_t)1 << (class + MINIMUM_SHIFT)) < size + 16) class++;
    struct block *block = free_blocks[class];
    if (block) {
        free_blocks[class] = block->next;
    } else {
        block = (struct block *)take((uintptr_t)1 << (class + MINIMUM_SHIFT), 16);
        if (!block) return 12;
        block->class = class;
    }
    *result = (unsigned char *)block + 16;
    return 0;
}

void free(void *pointer) {
    if (!pointer) return;
    struct block *block = (struct block *)((unsigned char *)pointer - 16);
    block->next = free_blocks[block->class];
    free_blocks[block->class] = block;
}

// With bulk memory operations these are one instruction each, not calls to themselves.
void *memmove(void *to, const void *from, size_t count) { return __builtin_memmove(to, from, count); }

void *memcpy(void *to, const void *from, size_t count) { return __builtin_memmove(to, from, count); }

void *memset(void *to, int value, size_t count) { return __builtin_memset(to, value, count); }

int memcmp(const void *left, const void *right, size_t count) {
    const unsigned char *a = left, *b = right;
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

// The compiler's helper for products of 128 bits, from four products of 32 bits and two of 64.

union wide {
    __int128 whole;
    struct {
        uint64_t low, high;
    };
};

__int128 __multi3(__int128 left, __int128 right) {
    union wide a = {.whole = left}, b = {.whole = right}, product;
    uint64_t a0 = (uint32_t)a.low, a1 = a.low >> 32, b0 = (uint32_t)b.low, b1 = b.low >> 32;
    uint64_t low = a0 * b0;
    uint64_t middle = a1 * b0 + (low >> 32);
    uint64_t carry = (uint32_t)middle + a0 * b1;
    product.low = carry << 32 | (uint32_t)low;
    product.high = a1 * b1 + (middle >> 32) + (carry >> 32) + a.low * b.high + a.high * b.low;
    return product.whole;
}

// Randomness: seeds of hash tables and whatever `SystemRandomNumberGenerator` is asked for.

__attribute__((import_module("env"), import_name("random_bytes"))) void random_bytes(void *to, size_t count);

void arc4random_buf(void *to, size_t count) { random_bytes(to, count); }

// Places to stop.

uintptr_t __stack_chk_guard = 0x5AFEC0DE;

_Noreturn void __stack_chk_fail(void) { __builtin_trap(); }

int putchar(int character) { return character; }
