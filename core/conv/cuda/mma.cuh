// Products of matrices by tensor cores, a warp at a time: sums of float32 products of less.
//
// PTX ISA 8.7, sections "Matrix Fragments for mma.m16n8k8" and "mma.m16n8k16" with floating point.
// What is multiplied is packed into words of 32 bits: one tf32, or two neighbours along the sum of
// bfloat16 or float16. In words all three are the same: eight of them are summed at a time. Thread
// (g, t) of a warp, g = lane / 4 and t = lane % 4, has the words t and t + 4 of rows g and g + 8 of the
// left matrix and of column g of the right one, and the sums of both rows in columns 2 t and 2 t + 1.
//
// Defined from outside: MULTIPLIED, one of these.
struct tf32 {
    static constexpr int PLACES = 1;
    // From here on a number is rounded to infinity.
    static constexpr float LIMIT = 0x1.ffep127f;
};
struct bfloat16 {
    static constexpr int PLACES = 2;
    static constexpr float LIMIT = 0x1.ffp127f;
};
// Of numbers that are float16 already.
struct float16 {
    static constexpr int PLACES = 2;
    static constexpr float LIMIT = 0x1p16f;
};

constexpr int PLACES = MULTIPLIED::PLACES;
// Of a row or column, along the sum.
constexpr int WORDS = 8;
// Whether a product means what it does in float32. NaN and infinity are left to whoever asks.
__device__ bool can_be_multiplied(float number) { return fabsf(number) < MULTIPLIED::LIMIT; }

#ifdef __CUDACC__
__device__ unsigned packed(tf32, const float *numbers)
{
    unsigned word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(numbers[0]));
    return word;
}
__device__ unsigned packed(bfloat16, const float *numbers)
{
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(numbers[1]), "f"(numbers[0]));
    return word;
}
__device__ unsigned packed(float16, const float *numbers)
{
    unsigned word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(numbers[1]), "f"(numbers[0]));
    return word;
}

#define MULTIPLY_ADD(multiplied, instruction)                                                       \
    __device__ void multiply_add(                                                                   \
        multiplied, const unsigned (&a)[4], const unsigned (&b)[2], float (&sums)[4])               \
    {                                                                                               \
        asm("mma.sync.aligned." instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
            : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])                            \
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                    \
    }
MULTIPLY_ADD(tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
MULTIPLY_ADD(bfloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MULTIPLY_ADD(float16, "m16n8k16.row.col.f32.f16.f16.f32")
#else
__device__ unsigned packed(tf32, const float *numbers) { return emulated::tf32_of(numbers[0]); }
__device__ unsigned packed(bfloat16, const float *numbers)
{
    return emulated::bfloat16_of(numbers[0]) | emulated::bfloat16_of(numbers[1]) << 16;
}
__device__ unsigned packed(float16, const float *numbers)
{
    return emulated::float16_of(numbers[0]) | emulated::float16_of(numbers[1]) << 16;
}
__device__ float unpacked(tf32, unsigned word, int) { return emulated::number_of(word); }
__device__ float unpacked(bfloat16, unsigned word, int place)
{
    return emulated::number_of(word >> 16 * place << 16);
}
__device__ float unpacked(float16, unsigned word, int place)
{
    return emulated::from_half(word >> 16 * place & 0xffff);
}
#endif

// Adds to a warp's sums, 16 ROWS times 8 COLUMNS of them, the products of its words.
template <int ROWS, int COLUMNS>
__device__ void multiply_words(
    const unsigned (&left)[ROWS][4], const unsigned (&right)[COLUMNS][2],
    float (&sums)[ROWS][COLUMNS][4])
{
#ifdef __CUDACC__
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            multiply_add(MULTIPLIED{}, left[r], right[c], sums[r][c]);
#else
    emulated::multiply_words<PLACES>(
        &left[0][0], ROWS, &right[0][0], COLUMNS, &sums[0][0][0],
        [](unsigned word, int place) { return unpacked(MULTIPLIED{}, word, place); });
#endif
}
