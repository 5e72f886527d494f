int back(int);
int kept_one(int x)
{
    int inner(int y)
    {
        return back(y) + x;
    }
    return inner(x);
}
