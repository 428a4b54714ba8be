// What is stored, as a number to compute with; and memory that a block of threads shares.
//
// Defined from outside: NUMBER, and STORED and RESULT, what is read and written, which may be `half`:
// sixteen bits that need no header, which not every machine that has a driver has.

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

template <class T>
constexpr bool IS_INTEGER = (T)0.5 == (T)0;
template <>
constexpr bool IS_INTEGER<half> = false;

// A result, rounded once from the number that it was computed in.
template <class T>
__device__ T rounded(NUMBER value)
{
    // Integers are exact: the planner has proved that the nearest one is right.
    if constexpr (IS_INTEGER<T> && !IS_INTEGER<NUMBER>)
        return (T)rint((double)value);
    else
        return (T)value;
}

template <>
__device__ half rounded<half>(NUMBER value)
{
#ifdef __CUDACC__
    half result;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"((float)value));
    return result;
#else
    return {(unsigned short)emulated::float16_of(value)};
#endif
}

// Numbers whose sum of magnitudes is no larger may be multiplied and added as often as a block does
// that has brought them, with as many of that size.
constexpr NUMBER TAME =
    (NUMBER)(IS_INTEGER<NUMBER> ? 0x1p62 : sizeof(NUMBER) > 4 ? 0x1p400 : 0x1p50);

__device__ float magnitude(float value) { return fabsf(value); }
__device__ double magnitude(double value) { return fabs(value); }
__device__ long long magnitude(long long value) { return value < 0 ? -value : value; }

// More than every device has without being asked; whoever launches says how much it is.
#ifdef __CUDACC__
#define SHARED(type, name)                                    \
    extern __shared__ __align__(16) unsigned char shared_bytes[]; \
    type *name = (type *)shared_bytes
#define TOUCHED(place)
#else
#define SHARED(type, name) type *name = (type *)emulated::shared
#define TOUCHED(place) emulated::touched(place, sizeof(*(place)))
#endif

// Neighbouring numbers that a thread reads or writes at once: sixteen bytes, where they are aligned.
constexpr int LENGTH = 16 / sizeof(NUMBER);
struct __align__(16) Numbers {
    NUMBER at[LENGTH];
};

__host__ __device__ constexpr int whole_vectors(int count)
{
    return (count + LENGTH - 1) / LENGTH * LENGTH;
}

// Shared memory is read and written through these, so that tests can count how often threads of a
// warp wait for each other at its banks.
__device__ Numbers vector_at(const NUMBER *place)
{
    TOUCHED((const Numbers *)place);
    return *(const Numbers *)place;
}
__device__ void put_vector(NUMBER *place, const Numbers &numbers)
{
    TOUCHED((Numbers *)place);
    *(Numbers *)place = numbers;
}
__device__ NUMBER number_at(const NUMBER *place)
{
    TOUCHED(place);
    return *place;
}
__device__ void put_number(NUMBER *place, NUMBER number)
{
    TOUCHED(place);
    *place = number;
}
