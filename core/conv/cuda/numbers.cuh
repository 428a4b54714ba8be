// What is stored, as a number to compute with; and memory that a block of threads shares.
//
// Defined from outside: NUMBER, and STORED, which may be `half`: sixteen bits that are read without
// a header, which not every machine that has a driver has.

struct half {
    unsigned short bits;
};

template <class T>
__device__ NUMBER number(T stored)
{
    return (NUMBER)stored;
}

__device__ NUMBER number(half stored)
{
#ifdef __CUDACC__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(stored.bits));
    return (NUMBER)value;
#else
    return (NUMBER)emulated::from_half(stored.bits);
#endif
}

// More than every device has without being asked; whoever launches says how much it is.
#ifdef __CUDACC__
#define SHARED(type, name)                                    \
    extern __shared__ __align__(16) unsigned char shared_bytes[]; \
    type *name = (type *)shared_bytes
#else
#define SHARED(type, name) type *name = (type *)emulated::shared
#endif
