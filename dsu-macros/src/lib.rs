//! Guards for the C entry points of `libdsu`.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Error, Expr, FnArg, ItemFn, MetaNameValue, parse_macro_input};

/// Makes a function a C entry point that never unwinds into its caller.
///
/// `#[dsu_macros::entry(on_panic = value)]` before `extern "C" fn name(...)` exports the function under
/// its own name and catches every panic inside it: the caller gets `value` instead, an expression that
/// is evaluated after the panic and must not panic itself. The payload of the panic is leaked, since
/// dropping it could panic again.
#[proc_macro_attribute]
pub fn entry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let argument = parse_macro_input!(arguments as MetaNameValue);
    let function = parse_macro_input!(item as ItemFn);
    expand(&argument, &function).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(argument: &MetaNameValue, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    if !argument.path.is_ident("on_panic") {
        return Err(Error::new_spanned(&argument.path, "expected `on_panic = value`"));
    }
    let signature = &function.sig;
    let is_c = |abi: &syn::Abi| abi.name.as_ref().is_none_or(|name| name.value() == "C");
    if !signature.abi.as_ref().is_some_and(is_c) {
        return Err(Error::new_spanned(signature, "an entry point is an `extern \"C\" fn`"));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new_spanned(variadic, "an entry point cannot be variadic"));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        return Err(Error::new_spanned(receiver, "an entry point is a free function"));
    }
    let (attributes, visibility, body) = (&function.attrs, &function.vis, &function.block);
    let output = &signature.output;
    let on_panic: &Expr = &argument.value;
    Ok(quote! {
        #(#attributes)*
        #[unsafe(no_mangle)]
        #visibility #signature {
            let guarded = ::std::panic::AssertUnwindSafe(move || #output #body);
            match ::std::panic::catch_unwind(guarded) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(payload) => {
                    ::core::mem::forget(payload);
                    #on_panic
                }
            }
        }
    })
}
