// Nothing but multiply-adds, in registers: what a device can do at most.
extern "C" __global__ void __launch_bounds__(256) multiply_adds(
    float *__restrict__ y, long long turns)
{
    const int thread = blockIdx.x * 256 + threadIdx.x;
    const float factor = 0.999f + 1e-9f * thread;
    float sums[SUMS];
#pragma unroll
    for (int i = 0; i < SUMS; i++)
        sums[i] = i;
    for (long long turn = 0; turn < turns; turn++)
#pragma unroll
        for (int i = 0; i < SUMS; i++)
            sums[i] = sums[i] * factor + factor;
    float total = 0;
#pragma unroll
    for (int i = 0; i < SUMS; i++)
        total += sums[i];
    y[thread] = total;
}
