int called(int);
int decimal(int x)
{
    _Decimal64 d = x;
    return (int)(d * 1.5dd) + called(x);
}
